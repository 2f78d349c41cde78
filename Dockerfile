# The node on ROS 2 Jazzy, on the CPU:
#   docker build -t loftr_vo .
#   docker run --rm --network host loftr_vo ros2 launch loftr_vo vo.launch.py image:=/camera/image_raw
FROM ros:jazzy-ros-base

WORKDIR /workspace
COPY . src/loftr_vo
# Without RViz, which a robot does not need.
RUN apt-get update \
 && rosdep update \
 && rosdep install --from-paths src --ignore-src -y --skip-keys rviz2 \
 && apt-get install -y --no-install-recommends python3-pip \
 && pip install --no-cache-dir --break-system-packages rosbags rosbags-image \
 && rm -rf /var/lib/apt/lists/*
RUN . /opt/ros/jazzy/setup.sh && colcon build --packages-select loftr_vo
# The image's entry point sources the distribution; this workspace is sourced after it.
RUN sed -i 's#^exec "$@"#source /workspace/install/setup.bash\nexec "$@"#' /ros_entrypoint.sh
CMD ["ros2", "launch", "loftr_vo", "demo.launch.py"]
